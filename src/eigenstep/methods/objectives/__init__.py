"""What brings torch of the methods that have more than a loss: their objectives, one file each."""
