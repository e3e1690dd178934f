//! The stand-in for the vendor's encryption: reversible, looks like base64, and protects nothing.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const KEY: &[u8] = b"not the vendor's cipher";

pub(crate) fn encrypt(text: &str) -> String {
    base64(&mixed(text.as_bytes()))
}

/// `None` for what [`encrypt`] did not make.
pub(crate) fn decrypt(text: &str) -> Option<String> {
    String::from_utf8(mixed(&unbase64(text)?)).ok()
}

fn mixed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ (key & 0x1f)).collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 0x3f;
            let is_padding = position > chunk.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    text
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut group, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let index = ALPHABET.iter().position(|letter| *letter == byte)?;
        group = group << 6 | u32::try_from(index).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_can_be_decrypted_and_does_not_show() {
        for text in ["", "j", "jj", "jjobs", "비밀 pass&word<'\">"] {
            assert_eq!(decrypt(&encrypt(text)).as_deref(), Some(text));
        }
        assert!(!encrypt("jjobs1234").contains("jjobs"));
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
        assert_eq!(decrypt("not base64!"), None);
    }
}
