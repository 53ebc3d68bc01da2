"""Units by themselves, driven as the running accelerator drives them: what `hwflow energy characterise` measures."""
