// What not_modelled() returns after a call gave -ENOTMODELLED: a kind and a number.
export const NOT_MODELLED_PENDING: u32 = 0x80000000; // internal: not yet returned to the caller
export const NOT_MODELLED_OP: u32 = 0x10000; // | IORING_OP_*
export const NOT_MODELLED_REGISTER: u32 = 0x20000; // | IORING_REGISTER_*
export const NOT_MODELLED_FORM: u32 = 0x40000; // | IORING_OP_*: the opcode is modelled, this form of it is not
export const NOT_MODELLED_SETUP: u32 = 0x100000; // | flags of io_uring_setup >> 19
export const NOT_MODELLED_FUTEX: u32 = 0x80000; // | FUTEX_*
