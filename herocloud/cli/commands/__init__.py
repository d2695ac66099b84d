"""One module per command or family of commands; `cli.catalogue` says which function is which command."""
