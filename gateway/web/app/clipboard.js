//! Puts text on the clipboard, on pages without a secure origin too.

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it is there
 */
export async function copyText(text) {
  if (navigator.clipboard?.writeText) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the old way may be.
    }
  }
  return copyThroughSelection(text);
}

function copyThroughSelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "hidden-label";
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus?.();
  return copied;
}
