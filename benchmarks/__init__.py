"""What donewatch costs, measured side by side with the limit of what it stands on."""
