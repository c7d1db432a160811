//! The pages in the order and number that a viewer counts.
//!
//! The interpreter's own list drops a page object that is used twice, and every kid that is no page. All later
//! pages would get wrong numbers.

use std::collections::HashMap;

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Array, Dict, MaybeRef, Name, ObjectIdentifier};
use hayro_interpret::hayro_syntax::xref::XRef;

use crate::document::limits::PAGES_MAX;

/// The deepest nesting of the tree. Programs that balance it stay below ten.
const DEPTH_MAX: usize = 64;
/// The most kids that are looked at. A tree that repeats its branches grows without end.
const KIDS_MAX: usize = 20 * PAGES_MAX;

/// For each page its index in the interpreter's list, or `None` for a blank page.
///
/// At most one page more than `PAGES_MAX` is listed.
pub(super) fn pages(pdf: &Pdf) -> Vec<Option<usize>> {
    let known = pdf.pages().len();
    let own_order = || (0..known).map(Some).collect();
    walk(pdf).filter(|pages| pages.iter().flatten().count() >= known.min(PAGES_MAX)).unwrap_or_else(own_order)
}

fn walk(pdf: &Pdf) -> Option<Vec<Option<usize>>> {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id())?;
    let root = catalog.get::<Dict<'_>>(b"Pages".as_slice())?;
    let mut index_of = HashMap::new();
    for (index, page) in pdf.pages().iter().enumerate() {
        index_of.insert(identity(page.raw()), index);
    }
    let mut walk = Walk { xref: pdf.xref(), index_of, leaves: Vec::new(), kids: 0 };
    let mut path = Vec::from_iter(root.obj_id());
    walk.branch(&root, &mut path);
    let pages = walk.leaves.iter().filter(|leaf| leaf.is_some()).count();
    // An object that is no page counts if the document counts it.
    let counted = root.get::<usize>(b"Count".as_slice()).unwrap_or(pages);
    if counted != walk.leaves.len() {
        walk.leaves.retain(Option::is_some);
    }
    Some(walk.leaves)
}

/// Where a dictionary stands in the file. Two dictionaries within one object have different places.
fn identity(dict: &Dict<'_>) -> usize {
    dict.data().as_ptr().addr()
}

struct Walk<'p> {
    xref: &'p XRef,
    index_of: HashMap<usize, usize>,
    leaves: Vec<Option<usize>>,
    kids: usize,
}

impl Walk<'_> {
    /// Adds the leaves of a branch. `path` are the branches above, so that a circle ends.
    fn branch(&mut self, branch: &Dict<'_>, path: &mut Vec<ObjectIdentifier>) {
        let Some(kids) = branch.get::<Array<'_>>(b"Kids".as_slice()) else { return };
        for kid in kids.raw_iter() {
            self.kids += 1;
            if self.kids > KIDS_MAX || self.leaves.len() > PAGES_MAX {
                return;
            }
            let id = kid.as_obj_ref().map(ObjectIdentifier::from);
            let dict = match kid {
                MaybeRef::Ref(id) => self.xref.get::<Dict<'_>>(id.into()),
                MaybeRef::NotRef(object) => object.into_dict(),
            };
            let Some(dict) = dict else {
                self.leaves.push(None);
                continue;
            };
            let kind = dict.get::<Name<'_>>(b"Type".as_slice());
            if kind.is_some_and(|kind| kind.as_str() == "Pages") {
                if path.len() < DEPTH_MAX && id.is_none_or(|id| !path.contains(&id)) {
                    path.extend(id);
                    self.branch(&dict, path);
                    if id.is_some() {
                        path.pop();
                    }
                }
            } else {
                self.leaves.push(self.index_of.get(&identity(&dict)).copied());
            }
        }
    }
}
