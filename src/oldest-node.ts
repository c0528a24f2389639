/**
 * The oldest Node.js that what is built runs on, major and minor version: Ubuntu 24.04's own, which is also older than
 * Debian 12's. The build is made for it, and test/oldest-node.test.ts compares every other place that has to name it.
 */
export const oldestNode = '18.19';
