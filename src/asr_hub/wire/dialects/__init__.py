"""What clients of other servers say and are told, without a socket: one file for each dialect."""
