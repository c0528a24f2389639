/** strerror(3) texts of glibc in the C locale, then those of musl that differ. */
const names: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'No such file or directory': 'ENOENT',
  'Interrupted system call': 'EINTR',
  'Input/output error': 'EIO',
  'No such device or address': 'ENXIO',
  'Argument list too long': 'E2BIG',
  'Resource temporarily unavailable': 'EAGAIN',
  'Cannot allocate memory': 'ENOMEM',
  'Permission denied': 'EACCES',
  'Bad address': 'EFAULT',
  'Device or resource busy': 'EBUSY',
  'File exists': 'EEXIST',
  'No such device': 'ENODEV',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Not a directory': 'ENOTDIR',
  'Is a directory': 'EISDIR',
  'Invalid argument': 'EINVAL',
  'Too many open files in system': 'ENFILE',
  'Too many open files': 'EMFILE',
  'File too large': 'EFBIG',
  'No space left on device': 'ENOSPC',
  'Read-only file system': 'EROFS',
  'Broken pipe': 'EPIPE',
  'Numerical result out of range': 'ERANGE',
  'File name too long': 'ENAMETOOLONG',
  'Function not implemented': 'ENOSYS',
  'Inappropriate ioctl for device': 'ENOTTY',
  'Operation not supported': 'EOPNOTSUPP',
  'Connection timed out': 'ETIMEDOUT',
  'Too many users': 'EUSERS',
  'Too many levels of symbolic links': 'ELOOP',
  'No data available': 'ENODATA',
  'Protocol error': 'EPROTO',
  'Remote I/O error': 'EREMOTEIO',
  'Operation canceled': 'ECANCELED',
  'Exec format error': 'ENOEXEC',
  'Disk quota exceeded': 'EDQUOT',
  'Stale file handle': 'ESTALE',
  // The kernel's own ENOTSUPP (include/linux/errno.h), which it should not but does show to user space.
  'Unknown error 524': 'ENOTSUPP',
  'I/O error': 'EIO',
  'Resource busy': 'EBUSY',
  'Out of memory': 'ENOMEM',
  'No file descriptors available': 'EMFILE',
  'Result not representable': 'ERANGE',
  'Not supported': 'EOPNOTSUPP',
  'No error information': 'ENOTSUPP',
};

/** The errno whose text this is, such as `EBUSY` for `Device or resource busy`; undefined for any other text. */
export function errnoOfText(text: string): string | undefined {
  return Object.hasOwn(names, text) ? names[text] : undefined;
}

/** An errno as people are told it: `EIO (input/output error)`. One without a text is left as it is. */
export function errnoPhrase(errno: string): string {
  const [text] = Object.entries(names).find(([, name]) => name === errno) ?? [];
  if (text === undefined || /\d/.test(text)) return errno;
  return `${errno} (${text.charAt(0).toLowerCase()}${text.slice(1)})`;
}

/** The text of an errno, as programs print it; the errno itself where it has none that is known. */
export function errnoText(errno: string): string {
  return Object.entries(names).find(([, name]) => name === errno)?.[0] ?? errno;
}
