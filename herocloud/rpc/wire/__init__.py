"""Where the daemon is reached: sockets that it binds or systemd hands over, who is at their other end, and the paths over HTTP."""
