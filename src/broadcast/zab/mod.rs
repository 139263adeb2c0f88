//! Zab with fast leader election (spec section 6).
