/**
 * Whether the host of a URL is made of what names and addresses are made of. A URL takes more, such as a semicolon,
 * which would write into the policy of a page.
 */
export const isPlainHost = ({ host }: URL): boolean => /^[\w.:[\]-]+$/.test(host)
