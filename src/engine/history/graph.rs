//! What the steps of a build waited for, and what would have made the build shorter. Pure.

/// A step and its duration. A step only depends on earlier ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// The indexes of the steps that it needs.
    pub inputs: Vec<usize>,
    /// Microseconds, like all times here.
    pub took: u64,
    /// `None` if it was not executed.
    pub began: Option<u64>,
    /// `None` if it did not end.
    pub ended: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path {
    /// In order of execution.
    pub places: Vec<usize>,
    /// Their total duration.
    pub microseconds: u64,
}

/// The longest chain of dependent steps: with any number of workers, the build takes at least that long.
pub(super) fn critical_path(nodes: &[Node]) -> Path {
    let ends = ends(nodes, None);
    let last = (0..nodes.len()).max_by_key(|place| (ends[*place], std::cmp::Reverse(*place)));
    let Some(mut place) = last.filter(|place| ends[*place] > 0) else { return Path::default() };
    let microseconds = ends[place];
    let mut places = Vec::new();
    loop {
        if nodes[place].took > 0 {
            places.push(place);
        }
        match nodes[place].inputs.iter().copied().filter(|input| *input < place).max_by_key(|input| ends[*input]) {
            Some(input) => place = input,
            None => break,
        }
    }
    places.reverse();
    Path { places, microseconds }
}

/// For each step, by how much the critical path is shorter without it.
pub(super) fn savings(nodes: &[Node]) -> Vec<u64> {
    let longest = |without: Option<usize>| ends(nodes, without).into_iter().max().unwrap_or(0);
    let whole = longest(None);
    // A step that is not on the path saves nothing.
    let path = critical_path(nodes).places;
    let saved = |place: usize| if path.contains(&place) { whole - longest(Some(place)) } else { 0 };
    (0..nodes.len()).map(saved).collect()
}

/// The last input of a step to become available, and how long the step waited after that.
pub(super) fn waiting(nodes: &[Node], place: usize) -> (Option<usize>, u64) {
    let Some(began) = nodes[place].began else { return (None, 0) };
    let ended = |input: &usize| nodes.get(*input).and_then(|node| node.ended);
    // A cached step was available when its own inputs were.
    let mut open = nodes[place].inputs.clone();
    let mut seen = std::collections::HashSet::new();
    let mut last: Option<(u64, usize)> = None;
    while let Some(input) = open.pop() {
        if !seen.insert(input) {
            continue;
        }
        match ended(&input) {
            Some(end) if end <= began => last = last.max(Some((end, input))),
            Some(_) => {}
            None => open.extend(nodes.get(input).into_iter().flat_map(|node| node.inputs.iter().copied())),
        }
    }
    match last {
        Some((end, input)) => (Some(input), began - end),
        None => (None, 0),
    }
}

/// When each step ends if all steps start as early as possible.
fn ends(nodes: &[Node], without: Option<usize>) -> Vec<u64> {
    let mut ends = vec![0; nodes.len()];
    for (place, node) in nodes.iter().enumerate() {
        let begin = node.inputs.iter().filter(|input| **input < place).map(|input| ends[*input]).max().unwrap_or(0);
        ends[place] = begin + if without == Some(place) { 0 } else { node.took };
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inputs: &[usize], began: u64, took: u64) -> Node {
        Node { inputs: inputs.to_vec(), took, began: Some(began), ended: Some(began + took) }
    }

    #[test]
    fn a_diamond() {
        let cached = Node { inputs: vec![0], ..Node::default() };
        let nodes =
            [Node::default(), cached, node(&[1], 0, 10), node(&[0], 1, 4), node(&[2, 3], 12, 5), node(&[3], 5, 1)];
        let path = critical_path(&nodes);
        assert_eq!((path.places, path.microseconds), (vec![2, 4], 15));
        // Without step 2, the path goes through step 3.
        assert_eq!(savings(&nodes), [0, 0, 6, 0, 5, 0]);
        assert_eq!(waiting(&nodes, 4), (Some(2), 2));
        assert_eq!(waiting(&nodes, 2), (None, 0));
        assert_eq!(waiting(&nodes, 0), (None, 0));
    }

    #[test]
    fn nothing_was_executed() {
        assert_eq!(critical_path(&[]), Path::default());
        assert_eq!(critical_path(&[Node::default(), node(&[7], 0, 0)]), Path::default());
        assert_eq!(savings(&[Node::default()]), [0]);
    }
}
