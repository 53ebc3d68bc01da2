"""What the resource model of hwflow/explore/resources.py is calibrated on: whole boards, synthesised."""
