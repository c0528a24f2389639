/** strerror(3) texts of glibc in the C locale, then those of musl that differ. */
const texts: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'No such file or directory': 'ENOENT',
  'Interrupted system call': 'EINTR',
  'Input/output error': 'EIO',
  'No such device or address': 'ENXIO',
  'Resource temporarily unavailable': 'EAGAIN',
  'Cannot allocate memory': 'ENOMEM',
  'Permission denied': 'EACCES',
  'Bad address': 'EFAULT',
  'Device or resource busy': 'EBUSY',
  'File exists': 'EEXIST',
  'No such device': 'ENODEV',
  'Not a directory': 'ENOTDIR',
  'Is a directory': 'EISDIR',
  'Invalid argument': 'EINVAL',
  'File too large': 'EFBIG',
  'No space left on device': 'ENOSPC',
  'Read-only file system': 'EROFS',
  'Broken pipe': 'EPIPE',
  'Numerical result out of range': 'ERANGE',
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
  // The kernel's own ENOTSUPP (include/linux/errno.h), which it should not but does show to user space.
  'Unknown error 524': 'ENOTSUPP',
  'I/O error': 'EIO',
  'Resource busy': 'EBUSY',
  'Out of memory': 'ENOMEM',
  'Result not representable': 'ERANGE',
  'Not supported': 'EOPNOTSUPP',
  'No error information': 'ENOTSUPP',
};

/** The errno name for the text at the end of a coreutils message; the text itself when it is none we know. */
export function errnoFromMessage(message: string): string {
  const text = (message.trim().split('\n').pop() ?? '').split(': ').pop() ?? '';
  return (Object.hasOwn(texts, text) ? texts[text] : undefined) ?? (text === '' ? 'EIO' : text);
}
