"""What is asked: axes, cells and selections, declared in TOML and edited by hand."""
