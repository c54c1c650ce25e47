//! The pages in web/ are built into the crate: a file that is added there must rebuild it, which the
//! compiler alone would not notice.

fn main() {
    println!("cargo:rerun-if-changed=web");
}
