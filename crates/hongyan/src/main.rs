//! hongyan
fn main(){}
