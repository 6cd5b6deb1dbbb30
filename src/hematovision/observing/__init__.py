"""What is watched of a process: its stages and events, as numbers, lines and traces."""
