"""What can stand behind the accelerator's memory ports: interfaces.MemoryBinding."""
