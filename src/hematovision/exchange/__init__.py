"""What is handed to other systems."""
