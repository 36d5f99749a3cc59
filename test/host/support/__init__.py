"""What the suites of test hosts share. No suite imports from another."""
