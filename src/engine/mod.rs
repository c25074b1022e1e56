//! What one can ask of rbuild: a file or a folder for each verb. A typed request in, a typed answer out, and what happens
//! meanwhile through a trait. Knows no arguments, prints nothing and never ends the process: a face does that.

pub mod check;
