//! Splitting an exact total over counted shares without losing a nanosecond.

/// Splits `total` in proportion to `weights` (largest remainder, ties to the
/// earlier entry), so that the parts sum to `total` exactly. All parts are 0 if
/// every weight is.
pub fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&w| u128::from(w)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |w: u64| u128::from(total) * u128::from(w);
    let mut parts: Vec<u64> = weights
        .iter()
        .map(|&w| u64::try_from(exact(w) / sum).unwrap_or(total))
        .collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0).collect();
    by_remainder.sort_by_key(|&i| std::cmp::Reverse(exact(weights[i]) % sum));
    let left = total - parts.iter().sum::<u64>();
    for &i in by_remainder
        .iter()
        .take(usize::try_from(left).unwrap_or(usize::MAX))
    {
        parts[i] += 1;
    }
    parts
}

/// Keeps `parts` as they are unless they sum to more than `total`, which a window
/// edge can bring about; then they are scaled down to it.
pub(super) fn at_most(total: u64, parts: Vec<u64>) -> Vec<u64> {
    let sum: u128 = parts.iter().map(|&p| u128::from(p)).sum();
    if sum > u128::from(total) {
        apportion(total, &parts)
    } else {
        parts
    }
}

/// What `part` is if `of` were `whole`: `part * whole / of`, rounded; 0 of nothing.
pub fn in_proportion(part: u64, whole: u64, of: u64) -> u64 {
    let of = u128::from(of);
    let product = u128::from(part) * u128::from(whole) + of / 2;
    let scaled = product.checked_div(of).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{apportion, at_most, in_proportion};
    use proptest::prelude::*;

    #[test]
    fn remainders_go_to_the_largest_first() {
        assert_eq!(apportion(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(apportion(10, &[0, 2, 1]), [0, 7, 3]);
        assert_eq!(apportion(10, &[0, 0]), [0, 0]);
        assert_eq!(apportion(u64::MAX, &[u64::MAX, 0]), [u64::MAX, 0]);
    }

    #[test]
    fn proportions_are_rounded() {
        assert_eq!(in_proportion(3, 10, 4), 8);
        assert_eq!(in_proportion(5, 0, 9), 0);
        assert_eq!(in_proportion(5, 9, 0), 0);
        assert_eq!(in_proportion(u64::MAX, u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn parts_within_the_total_are_left_alone() {
        assert_eq!(at_most(10, vec![3, 4]), [3, 4]);
        assert_eq!(at_most(7, vec![10, 4]), [5, 2]);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total(total: u64, weights in prop::collection::vec(0_u64..1 << 40, 1..40)) {
            prop_assume!(weights.iter().any(|&w| w > 0));
            prop_assert_eq!(apportion(total, &weights).iter().map(|&p| u128::from(p)).sum::<u128>(), u128::from(total));
        }
    }
}
