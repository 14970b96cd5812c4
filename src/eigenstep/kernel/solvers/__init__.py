"""From a kernel and its pairs to modes: dense, block Krylov, and Nystrom on landmarks."""
