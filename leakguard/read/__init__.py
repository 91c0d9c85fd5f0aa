"""The world into blobs: the index, commits, history, trees, streams, archives."""
