"""What a call is: its bytes as JSON-RPC 2.0, the method that it names, the errors that may answer it, and how calls are counted."""
