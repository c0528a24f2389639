// SPDX-License-Identifier: GPL-2.0
/*
 * A driver called nvidia that takes no device by itself, and gives the virtual functions that are bound to it the attributes
 * which NVIDIA's vGPU host driver gives to its own, with its rules as reports describe them (docs/kernel-notes.md). Like that
 * one it is the function's VFIO driver, too: what is opened is the real function. Test only.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sysfs.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

struct vgpu_type {
	unsigned int id;
	const char *name;
	/* GiB of the card's memory; all that is on a card has the same. */
	unsigned int memory;
};

static const struct vgpu_type types[] = {
	{ 1145, "NVIDIA L40S-1B", 1 },	 { 1146, "NVIDIA L40S-2B", 2 },	  { 1147, "NVIDIA L40S-1Q", 1 },
	{ 1148, "NVIDIA L40S-2Q", 2 },	 { 1149, "NVIDIA L40S-3Q", 3 },	  { 1150, "NVIDIA L40S-4Q", 4 },
	{ 1151, "NVIDIA L40S-6Q", 6 },	 { 1152, "NVIDIA L40S-8Q", 8 },	  { 1153, "NVIDIA L40S-12Q", 12 },
	{ 1154, "NVIDIA L40S-16Q", 16 }, { 1155, "NVIDIA L40S-24Q", 24 }, { 1156, "NVIDIA L40S-48Q", 48 },
};

#define CARD_MEMORY 48
#define MOST 16

struct labnvidia {
	struct vfio_pci_core_device core;
	struct list_head list;
	const struct vgpu_type *type;
	char params[256];
	bool open;
	bool lost;
};

/* Guards all that follows, and what functions are. */
static DEFINE_MUTEX(lock);
static LIST_HEAD(functions);
/* Those that were taken from this driver once. */
static u32 lost[MOST];
static unsigned int lost_count;

static struct labnvidia *of(struct device *dev)
{
	return container_of(dev_get_drvdata(dev), struct labnvidia, core);
}

static u32 place(struct pci_dev *pdev)
{
	return pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

/* What the card could make of this function now. */
static bool is_creatable(struct labnvidia *function, const struct vgpu_type *type)
{
	unsigned int used = 0;
	struct labnvidia *other;

	if (function->type)
		return false;
	list_for_each_entry(other, &functions, list) {
		if (!other->type || pci_physfn(other->core.pdev) != pci_physfn(function->core.pdev))
			continue;
		if (other->type->memory != type->memory)
			return false;
		used += other->type->memory;
	}
	return used + type->memory <= CARD_MEMORY;
}

static ssize_t creatable_vgpu_types_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	ssize_t length = sysfs_emit(text, "ID    : vGPU Name\n");
	int index;

	mutex_lock(&lock);
	for (index = 0; index < ARRAY_SIZE(types); index++)
		if (is_creatable(of(dev), &types[index]))
			length += sysfs_emit_at(text, length, "%-6u: %s\n", types[index].id, types[index].name);
	mutex_unlock(&lock);
	return length;
}
static DEVICE_ATTR_RO(creatable_vgpu_types);

static ssize_t current_vgpu_type_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	const struct vgpu_type *type = READ_ONCE(of(dev)->type);

	return sysfs_emit(text, "%u\n", type ? type->id : 0);
}

static int set_type(struct labnvidia *function, unsigned int id)
{
	int index;

	if (id == 0) {
		if (function->open)
			return -EPERM;
		function->type = NULL;
		function->params[0] = 0;
		return 0;
	}
	if (function->lost) {
		pci_err(function->core.pdev, "vfio_pci_core_device not found\n");
		return -EIO;
	}
	if (function->type)
		return -EBUSY;
	for (index = 0; index < ARRAY_SIZE(types); index++) {
		if (types[index].id != id || !is_creatable(function, &types[index]))
			continue;
		function->type = &types[index];
		return 0;
	}
	return -EIO;
}

static ssize_t current_vgpu_type_store(struct device *dev, struct device_attribute *attribute, const char *text,
				       size_t count)
{
	unsigned int id;
	int error = kstrtouint(text, 0, &id);

	if (error)
		return error;
	mutex_lock(&lock);
	error = set_type(of(dev), id);
	mutex_unlock(&lock);
	return error ? error : count;
}
static DEVICE_ATTR_RW(current_vgpu_type);

static ssize_t vgpu_params_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%s\n", of(dev)->params);
}

static int set_params(struct labnvidia *function, const char *text, size_t count)
{
	if (!function->type)
		return -ENXIO;
	if (function->open)
		return -EPERM;
	if (count >= sizeof(function->params) || !strchr(text, '='))
		return -EINVAL;
	strscpy(function->params, text, sizeof(function->params));
	strim(function->params);
	return 0;
}

static ssize_t vgpu_params_store(struct device *dev, struct device_attribute *attribute, const char *text, size_t count)
{
	int error;

	mutex_lock(&lock);
	error = set_params(of(dev), text, count);
	mutex_unlock(&lock);
	return error ? error : count;
}
static DEVICE_ATTR_RW(vgpu_params);

static ssize_t show_of_vgpu(struct device *dev, char *text)
{
	return READ_ONCE(of(dev)->type) ? sysfs_emit(text, "0\n") : -ENXIO;
}

static ssize_t gpu_instance_id_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	return show_of_vgpu(dev, text);
}
static DEVICE_ATTR_RO(gpu_instance_id);

static ssize_t placement_id_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	return show_of_vgpu(dev, text);
}
static DEVICE_ATTR_RO(placement_id);

static struct attribute *attributes[] = {
	&dev_attr_creatable_vgpu_types.attr, &dev_attr_current_vgpu_type.attr, &dev_attr_vgpu_params.attr,
	&dev_attr_gpu_instance_id.attr,	     &dev_attr_placement_id.attr,      NULL,
};
static const struct attribute_group nvidia_group = { .name = "nvidia", .attrs = attributes };
static const struct attribute_group *nvidia_groups[] = { &nvidia_group, NULL };

static struct labnvidia *of_vfio(struct vfio_device *device)
{
	return container_of(device, struct labnvidia, core.vdev);
}

static int labnvidia_open(struct vfio_device *device)
{
	struct labnvidia *function = of_vfio(device);
	int error = -EIO;

	mutex_lock(&lock);
	if (function->type)
		error = vfio_pci_core_enable(&function->core);
	if (!error) {
		vfio_pci_core_finish_enable(&function->core);
		function->open = true;
	}
	mutex_unlock(&lock);
	return error;
}

static void labnvidia_close(struct vfio_device *device)
{
	mutex_lock(&lock);
	of_vfio(device)->open = false;
	mutex_unlock(&lock);
	vfio_pci_core_close_device(device);
}

static const struct vfio_device_ops device_ops = {
	.name = "labnvidia",
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = labnvidia_open,
	.close_device = labnvidia_close,
	.ioctl = vfio_pci_core_ioctl,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	.get_region_info_caps = vfio_pci_ioctl_get_region_info,
#endif
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
#if IS_ENABLED(CONFIG_IOMMUFD)
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
#endif
};

static bool was_lost(struct pci_dev *pdev)
{
	unsigned int index;

	for (index = 0; index < lost_count; index++)
		if (lost[index] == place(pdev))
			return true;
	return false;
}

static int labnvidia_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct labnvidia *function;
	int error;

	if (!pdev->is_virtfn)
		return -ENODEV;
	function = vfio_alloc_device(labnvidia, core.vdev, &pdev->dev, &device_ops);
	if (IS_ERR(function))
		return PTR_ERR(function);
	dev_set_drvdata(&pdev->dev, &function->core);
	error = vfio_pci_core_register_device(&function->core);
	if (error) {
		vfio_put_device(&function->core.vdev);
		return error;
	}
	mutex_lock(&lock);
	function->lost = was_lost(pdev);
	list_add(&function->list, &functions);
	mutex_unlock(&lock);
	return 0;
}

static void labnvidia_remove(struct pci_dev *pdev)
{
	struct labnvidia *function = of(&pdev->dev);

	vfio_pci_core_unregister_device(&function->core);
	mutex_lock(&lock);
	list_del(&function->list);
	if (!function->lost && lost_count < MOST)
		lost[lost_count++] = place(pdev);
	mutex_unlock(&lock);
	vfio_put_device(&function->core.vdev);
}

static struct pci_driver labnvidia_driver = {
	.name = "nvidia",
	.probe = labnvidia_probe,
	.remove = labnvidia_remove,
	.driver_managed_dma = true,
	.dev_groups = nvidia_groups,
};

module_pci_driver(labnvidia_driver);
MODULE_DESCRIPTION("NVIDIA's vGPU attributes for tests");
MODULE_LICENSE("GPL");
