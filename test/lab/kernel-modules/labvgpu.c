// SPDX-License-Identifier: GPL-2.0
/*
 * A parent of mediated devices with one type, /sys/class/mdev_bus/labvgpu0, that is no PCI device itself. What it makes is a
 * PCI device without BARs and interrupts, which QEMU opens as it opens any other. Test only.
 */
#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio.h>

/* Which region an offset of the device's file is in: ours to choose, as VFIO_DEVICE_GET_REGION_INFO says. */
#define REGION_SHIFT 40

struct labvgpu {
	struct vfio_device vfio;
	__le16 config[PCI_CFG_SPACE_SIZE / 2];
};

static struct class *class;
static struct device *parent_device;
static struct mdev_parent parent;
static struct mdev_type type = { .sysfs_name = "1", .pretty_name = "LAB vGPU" };
static struct mdev_type *types[] = { &type };

static struct labvgpu *of(struct vfio_device *device)
{
	return container_of(device, struct labvgpu, vfio);
}

static u8 *bytes(struct vfio_device *device)
{
	return (u8 *)of(device)->config;
}

static void reset(struct labvgpu *labvgpu)
{
	__le16 *config = labvgpu->config;

	memset(config, 0, sizeof(labvgpu->config));
	config[PCI_VENDOR_ID / 2] = cpu_to_le16(PCI_VENDOR_ID_REDHAT_QUMRANET);
	config[PCI_DEVICE_ID / 2] = cpu_to_le16(0x10ff);
	config[PCI_CLASS_DEVICE / 2] = cpu_to_le16(PCI_CLASS_DISPLAY_OTHER);
}

static int labvgpu_init_dev(struct vfio_device *device)
{
	reset(of(device));
	return 0;
}

static int labvgpu_open(struct vfio_device *device)
{
	return 0;
}

/* The part of a read or write that lies in the configuration space; every other region is empty. */
static ssize_t clip(loff_t position, size_t count)
{
	loff_t start = position - ((loff_t)VFIO_PCI_CONFIG_REGION_INDEX << REGION_SHIFT);

	if (start < 0 || start >= PCI_CFG_SPACE_SIZE)
		return -EINVAL;
	return min_t(size_t, count, PCI_CFG_SPACE_SIZE - start);
}

static ssize_t labvgpu_read(struct vfio_device *device, char __user *buffer, size_t count, loff_t *position)
{
	ssize_t length = clip(*position, count);

	if (length < 0)
		return length;
	if (copy_to_user(buffer, bytes(device) + (u8)*position, length))
		return -EFAULT;
	*position += length;
	return length;
}

/* Of all that a guest writes only its command register and its interrupt line are kept. */
static ssize_t labvgpu_write(struct vfio_device *device, const char __user *buffer, size_t count, loff_t *position)
{
	ssize_t length = clip(*position, count);
	u8 written[PCI_CFG_SPACE_SIZE];
	int index;

	if (length < 0)
		return length;
	if (copy_from_user(written, buffer, length))
		return -EFAULT;
	for (index = 0; index < length; index++) {
		u8 place = (u8)*position + index;

		if (place == PCI_COMMAND || place == PCI_INTERRUPT_LINE)
			bytes(device)[place] = written[index];
	}
	*position += length;
	return length;
}

static int fill_region(struct vfio_region_info *info)
{
	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info->offset = (u64)info->index << REGION_SHIFT;
	info->size = info->index == VFIO_PCI_CONFIG_REGION_INDEX ? PCI_CFG_SPACE_SIZE : 0;
	info->flags = info->size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	return 0;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static int labvgpu_region_info(struct vfio_device *device, struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	return fill_region(info);
}
#endif

static long labvgpu_ioctl(struct vfio_device *device, unsigned int command, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct vfio_device_info about = {};
	struct vfio_region_info region;
	struct vfio_irq_info irq;
	size_t size;
	int error;

	switch (command) {
	case VFIO_DEVICE_GET_INFO:
		size = offsetofend(struct vfio_device_info, num_irqs);
		about.argsz = size;
		about.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		about.num_regions = VFIO_PCI_NUM_REGIONS;
		about.num_irqs = VFIO_PCI_NUM_IRQS;
		return copy_to_user(user, &about, size) ? -EFAULT : 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		size = offsetofend(struct vfio_region_info, offset);
		if (copy_from_user(&region, user, size))
			return -EFAULT;
		error = fill_region(&region);
		if (error)
			return error;
		return copy_to_user(user, &region, size) ? -EFAULT : 0;
	case VFIO_DEVICE_GET_IRQ_INFO:
		size = offsetofend(struct vfio_irq_info, count);
		if (copy_from_user(&irq, user, size))
			return -EFAULT;
		if (irq.index >= VFIO_PCI_NUM_IRQS)
			return -EINVAL;
		irq.flags = VFIO_IRQ_INFO_NORESIZE;
		irq.count = 0;
		return copy_to_user(user, &irq, size) ? -EFAULT : 0;
	case VFIO_DEVICE_SET_IRQS:
		return 0;
	case VFIO_DEVICE_RESET:
		reset(of(device));
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct vfio_device_ops device_ops = {
	.name = "labvgpu",
	.init = labvgpu_init_dev,
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	/* Until then the driver has to free it, and is called whether it can or not (drivers/vfio/vfio_main.c). */
	.release = vfio_free_device,
#endif
	.open_device = labvgpu_open,
	.read = labvgpu_read,
	.write = labvgpu_write,
	.ioctl = labvgpu_ioctl,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	.get_region_info_caps = labvgpu_region_info,
#endif
#if IS_ENABLED(CONFIG_IOMMUFD)
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
};

static int labvgpu_probe(struct mdev_device *mdev)
{
	struct labvgpu *labvgpu = vfio_alloc_device(labvgpu, vfio, &mdev->dev, &device_ops);
	int error;

	if (IS_ERR(labvgpu))
		return PTR_ERR(labvgpu);
	error = vfio_register_emulated_iommu_dev(&labvgpu->vfio);
	if (error) {
		vfio_put_device(&labvgpu->vfio);
		return error;
	}
	dev_set_drvdata(&mdev->dev, labvgpu);
	return 0;
}

static void labvgpu_remove(struct mdev_device *mdev)
{
	struct labvgpu *labvgpu = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&labvgpu->vfio);
	vfio_put_device(&labvgpu->vfio);
}

static struct mdev_driver driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	/* Without a get_available function the core counts down from this. */
	.max_instances = 4,
	.driver = { .name = "labvgpu", .owner = THIS_MODULE, .mod_name = KBUILD_MODNAME },
	.probe = labvgpu_probe,
	.remove = labvgpu_remove,
};

static struct class *make_class(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return class_create(THIS_MODULE, "labvgpu");
#else
	return class_create("labvgpu");
#endif
}

static int __init labvgpu_init(void)
{
	int error = mdev_register_driver(&driver);

	if (error)
		return error;
	class = make_class();
	if (IS_ERR(class)) {
		error = PTR_ERR(class);
		goto unregister_driver;
	}
	parent_device = device_create(class, NULL, 0, NULL, "labvgpu0");
	if (IS_ERR(parent_device)) {
		error = PTR_ERR(parent_device);
		goto destroy_class;
	}
	error = mdev_register_parent(&parent, parent_device, &driver, types, ARRAY_SIZE(types));
	if (!error)
		return 0;
	device_unregister(parent_device);
destroy_class:
	class_destroy(class);
unregister_driver:
	mdev_unregister_driver(&driver);
	return error;
}

static void __exit labvgpu_exit(void)
{
	mdev_unregister_parent(&parent);
	device_unregister(parent_device);
	class_destroy(class);
	mdev_unregister_driver(&driver);
}

module_init(labvgpu_init);
module_exit(labvgpu_exit);
MODULE_DESCRIPTION("Mediated devices for tests");
MODULE_LICENSE("GPL");
