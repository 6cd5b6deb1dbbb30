"""What is seen: decoding, locating, cropping, classifying; one pipeline behind every door."""
