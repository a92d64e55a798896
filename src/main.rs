//! The command line.

fn main() {
    println!("{}", rock_wrap::image::stamp::TEMPLATE.len());
}
