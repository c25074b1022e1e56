//! What a build's steps had to wait for, and what would have made it shorter. Pure.

/// A step, and how long it took. A step only depends on earlier ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// The places of the steps that it needs.
    pub inputs: Vec<usize>,
    /// Microseconds, as all times here.
    pub took: u64,
    /// Nothing for one that was not executed.
    pub began: Option<u64>,
    /// Nothing for one that did not come to its end.
    pub ended: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path {
    /// The first step first.
    pub places: Vec<usize>,
    /// What these took together.
    pub microseconds: u64,
}

/// The chain of steps, each of which needs the one before, that took longest: with as many workers as one likes, the build
/// takes that long.
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

/// Of each step, how much shorter the critical path is without it.
pub(super) fn savings(nodes: &[Node]) -> Vec<u64> {
    let longest = |without: Option<usize>| ends(nodes, without).into_iter().max().unwrap_or(0);
    let whole = longest(None);
    // One that is not on the path saves nothing.
    let path = critical_path(nodes).places;
    let saved = |place: usize| if path.contains(&place) { whole - longest(Some(place)) } else { 0 };
    (0..nodes.len()).map(saved).collect()
}

/// The input of a step that was there last, and how long the step waited after that.
pub(super) fn waiting(nodes: &[Node], place: usize) -> (Option<usize>, u64) {
    let Some(began) = nodes[place].began else { return (None, 0) };
    let ended = |input: &usize| nodes.get(*input).and_then(|node| node.ended);
    // What was cached was there when its own inputs were.
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

/// When each step ends where every step begins as soon as it can.
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
        // Without step 2, the path goes by step 3.
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
