//! Kubernetes' way to write amounts: `2048Mi`, `500m`, `1`.

use serde_json::Value;

const UNITS: [(&str, f64); 11] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("m", 0.001),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("", 1.0),
];

/// The amount; `None` for what is none.
pub(super) fn parse(quantity: &Value) -> Option<f64> {
    if let Some(number) = quantity.as_f64() {
        return Some(number);
    }
    let text = quantity.as_str()?;
    let (suffix, factor) = UNITS.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn amounts_are_read_with_their_units() {
        for (text, expected) in [
            (json!("2048Mi"), Some(2_147_483_648.0)),
            (json!("500m"), Some(0.5)),
            (json!("1"), Some(1.0)),
            (json!(2), Some(2.0)),
            (json!("1.5Gi"), Some(1_610_612_736.0)),
            (json!("2M"), Some(2e6)),
            (json!("lots"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(parse(&text), expected, "{text}");
        }
    }
}
