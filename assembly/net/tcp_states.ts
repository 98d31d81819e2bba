// States of a connection, and of a socket's attempt to make one. All families use the numbers of TCP: an AF_UNIX socket
// that is connected is TCP_ESTABLISHED, one that is not is TCP_CLOSE.
export const TCP_ESTABLISHED: u32 = 1;
export const TCP_SYN_SENT: u32 = 2;
export const TCP_SYN_RECV: u32 = 3;
export const TCP_FIN_WAIT1: u32 = 4;
export const TCP_FIN_WAIT2: u32 = 5;
export const TCP_TIME_WAIT: u32 = 6;
export const TCP_CLOSE: u32 = 7;
export const TCP_CLOSE_WAIT: u32 = 8;
export const TCP_LAST_ACK: u32 = 9;
export const TCP_LISTEN: u32 = 10;
export const TCP_CLOSING: u32 = 11;

// Sock.ss_state: has connect() been called, and has its caller been told of the outcome?
export const SS_UNCONNECTED: u32 = 0;
export const SS_CONNECTING: u32 = 1;
export const SS_CONNECTED: u32 = 2;
export const SS_DISCONNECTING: u32 = 3; // shut down before it came to anything
