//! Access control lists of directories, as the kernel stores them (`include/uapi/linux/posix_acl_xattr.h`).

/// The permissions that a directory's default access control list grants to new files, for owner, group and others,
/// as a mode. An unreadable list grants everything.
#[must_use]
pub fn granted_by_default(list: &[u8]) -> u32 {
    const HEAD: usize = 4;
    const ENTRY: usize = 8;
    const USER_OBJ: u16 = 0x01;
    const GROUP_OBJ: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    // An entry: tag and permissions (2 bytes each, little endian), then an id (4 bytes).
    let of = |wanted: u16| {
        let mut entries = list.get(HEAD..).unwrap_or_default().chunks_exact(ENTRY);
        let entry = entries.find(|entry| entry[..2] == wanted.to_le_bytes())?;
        Some(u32::from(entry[2] & 7))
    };
    // If the list has a mask, the mode's group bits are the mask's.
    let group = of(MASK).or_else(|| of(GROUP_OBJ)).unwrap_or(7);
    of(USER_OBJ).unwrap_or(7) << 6 | group << 3 | of(OTHER).unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_counts_as_the_group() {
        let entry = |tag: u8, permissions: u8| [tag, 0, permissions, 0, 255, 255, 255, 255];
        let list = |entries: &[[u8; 8]]| [&[2, 0, 0, 0][..], &entries.concat()].concat();
        let plain = [entry(1, 6), entry(4, 5), entry(0x20, 0)];
        assert_eq!(granted_by_default(&list(&plain)), 0o650);
        let masked = [
            entry(1, 7),
            entry(2, 7),
            entry(4, 5),
            entry(0x10, 6),
            entry(0x20, 4),
        ];
        assert_eq!(granted_by_default(&list(&masked)), 0o764);
        assert_eq!(granted_by_default(b"cut"), 0o777);
    }
}
