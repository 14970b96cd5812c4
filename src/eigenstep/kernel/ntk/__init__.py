"""Tangent kernels of networks: of finite ones as they are, and of infinitely wide convolutional ones."""
