"""The methods of the daemon by group, plain functions that call `operations/`; what they answer, and the document of them."""
