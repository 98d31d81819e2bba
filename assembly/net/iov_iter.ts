// The iterator lives beside the mapping table it checks addresses against; the network's files know it under this name.
export * from "../mm/iov_iter";
