//! Known bugs, one small file each.
