//! One server: broadcast below, znodes above, clients at the door.
