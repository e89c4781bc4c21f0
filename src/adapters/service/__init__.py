"""What makes a daemon of a process: its data folder, systemd, its log, its figures for Prometheus."""
