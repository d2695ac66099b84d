"""The methods of the daemon by group, each a plain function that calls `operations/`. `service` makes the table of them."""
