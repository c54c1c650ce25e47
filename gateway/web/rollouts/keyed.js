//! Keeps a list's elements in step with its items: what stays keeps its element, so that focus, open details and
//! scrolling survive every refresh. Knows nothing of what is listed.

/** Writes `text` where it is not there yet; selections live through refreshes that change nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @template Item
 * @typedef {{ root: HTMLElement, update: (item: Item) => void }} View
 */

/** The children of one element. */
export class KeyedList {
  #parent;
  #keyOf;
  #make;
  #views = new Map();

  /**
   * @template Item
   * @param {HTMLElement} parent
   * @param {(item: Item) => string} keyOf
   * @param {(item: Item) => View<Item>} make a new item's view; `update` is called afterwards
   */
  constructor(parent, keyOf, make) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  /** @param {readonly Item[]} items in the order in which they are to stand; of those with one key the first counts */
  update(items) {
    const wanted = new Map();
    for (const item of items) if (!wanted.has(this.#keyOf(item))) wanted.set(this.#keyOf(item), item);
    for (const [key, view] of this.#views) {
      if (wanted.has(key)) continue;
      view.root.remove();
      this.#views.delete(key);
    }
    let place = this.#parent.firstElementChild;
    for (const [key, item] of wanted) {
      const view = this.#views.get(key) ?? this.#make(item);
      this.#views.set(key, view);
      view.update(item);
      if (view.root === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(view.root, place);
    }
    this.#parent.hidden = this.#views.size === 0;
  }
}
