//! (being written)
#[derive(Clone)]
pub struct Rules {}
impl Rules {
    pub fn right() -> Rules {
        Rules {}
    }
}
