//! A straight line through points.

/// Slope and intercept by least squares; `None` without two different abscissas.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut across, mut along) = (0.0, 0.0);
    for (x, y) in points {
        across += (x - mean_x) * (y - mean_y);
        along += (x - mean_x).powi(2);
    }
    if points.len() < 2 || along <= 0.0 {
        return None;
    }
    let slope = across / along;
    Some((slope, mean_y - slope * mean_x))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_found_again() {
        let points: Vec<(f64, f64)> = [5.0, 10.0, 25.0, 200.0]
            .iter()
            .map(|x| (*x, 21.0 * x + 300.0))
            .collect();
        let (slope, intercept) = line(&points).expect("four abscissas");
        assert!((slope - 21.0).abs() < 1e-9, "{slope}");
        assert!((intercept - 300.0).abs() < 1e-6, "{intercept}");
    }

    #[test]
    fn one_abscissa_makes_no_line() {
        assert_eq!(line(&[(5.0, 1.0), (5.0, 2.0)]), None);
        assert_eq!(line(&[]), None);
    }
}
