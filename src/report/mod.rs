//! What people and other tools are shown of a run. Everything here renders values: the same values
//! give the same bytes, without clock, host or float.

pub mod junit;
pub mod lanes;
pub mod small;
pub mod text;
pub mod token;

pub use token::Token;
