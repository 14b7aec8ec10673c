"""Records and their JSON form; nothing here reads a file or starts a process."""
