"""Commands for a terminal: clients of a running donewatch, over HTTP."""
