"""ComfyUI: one's own servers."""
