//! Makes elements; the page builds everything from text nodes and attributes, never from HTML strings.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | boolean>} attributes set as attributes; `true` sets an empty one, `false` none
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** An icon of the page's sprite, without meaning of its own. */
export function icon(name, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A push button with an icon and a label. */
export function button(className, iconName, label, onPress) {
  const made = element("button", { type: "button", class: className }, icon(iconName), element("span", {}, label));
  made.addEventListener("click", onPress);
  return made;
}
