"""What HematoVision does for people, one verb a function."""
