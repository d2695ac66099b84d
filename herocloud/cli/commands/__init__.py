"""One module per command or family of commands; `cli.command_table` says which function is which command."""
