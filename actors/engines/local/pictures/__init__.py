"""Pictures as files: opened with care, written without anything about the person who took them."""
