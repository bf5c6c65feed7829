/// Amazon ECR: operations with their inputs and errors, and the shapes of the inputs. Written by tools/ecr-model.
/// (botocore, ecr/2015-09-21/service-2.json)
enum ECRModel {
  static let table = #"""
    operation BatchCheckLayerAvailability BatchCheckLayerAvailabilityRequest RepositoryNotFoundException InvalidParameterException ServerException
    operation BatchDeleteImage BatchDeleteImageRequest ServerException InvalidParameterException RepositoryNotFoundException
    operation BatchGetImage BatchGetImageRequest ServerException InvalidParameterException RepositoryNotFoundException LimitExceededException UnableToGetUpstreamImageException
    operation BatchGetRepositoryScanningConfiguration BatchGetRepositoryScanningConfigurationRequest ServerException InvalidParameterException RepositoryNotFoundException ValidationException
    operation CompleteLayerUpload CompleteLayerUploadRequest ServerException InvalidParameterException RepositoryNotFoundException UploadNotFoundException InvalidLayerException LayerPartTooSmallException LayerAlreadyExistsException EmptyUploadException KmsException
    operation CreatePullThroughCacheRule CreatePullThroughCacheRuleRequest ServerException InvalidParameterException ValidationException PullThroughCacheRuleAlreadyExistsException UnsupportedUpstreamRegistryException LimitExceededException UnableToAccessSecretException SecretNotFoundException UnableToDecryptSecretValueException
    operation CreateRepository CreateRepositoryRequest ServerException InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryAlreadyExistsException LimitExceededException KmsException
    operation CreateRepositoryCreationTemplate CreateRepositoryCreationTemplateRequest ServerException ValidationException InvalidParameterException LimitExceededException TemplateAlreadyExistsException
    operation DeleteLifecyclePolicy DeleteLifecyclePolicyRequest ServerException InvalidParameterException RepositoryNotFoundException LifecyclePolicyNotFoundException ValidationException
    operation DeletePullThroughCacheRule DeletePullThroughCacheRuleRequest ServerException InvalidParameterException ValidationException PullThroughCacheRuleNotFoundException
    operation DeleteRegistryPolicy DeleteRegistryPolicyRequest ServerException InvalidParameterException RegistryPolicyNotFoundException ValidationException
    operation DeleteRepository DeleteRepositoryRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryNotEmptyException KmsException
    operation DeleteRepositoryCreationTemplate DeleteRepositoryCreationTemplateRequest ServerException ValidationException InvalidParameterException TemplateNotFoundException
    operation DeleteRepositoryPolicy DeleteRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryPolicyNotFoundException
    operation DeleteSigningConfiguration DeleteSigningConfigurationRequest ServerException ValidationException SigningConfigurationNotFoundException
    operation DeregisterPullTimeUpdateExclusion DeregisterPullTimeUpdateExclusionRequest InvalidParameterException ExclusionNotFoundException LimitExceededException ValidationException ServerException
    operation DescribeImageReplicationStatus DescribeImageReplicationStatusRequest ServerException InvalidParameterException ImageNotFoundException RepositoryNotFoundException ValidationException
    operation DescribeImageScanFindings DescribeImageScanFindingsRequest ServerException InvalidParameterException RepositoryNotFoundException ImageNotFoundException ScanNotFoundException ValidationException
    operation DescribeImageSigningStatus DescribeImageSigningStatusRequest ServerException InvalidParameterException ValidationException ImageNotFoundException RepositoryNotFoundException
    operation DescribeImages DescribeImagesRequest ServerException InvalidParameterException RepositoryNotFoundException ImageNotFoundException
    operation DescribePullThroughCacheRules DescribePullThroughCacheRulesRequest ServerException InvalidParameterException ValidationException PullThroughCacheRuleNotFoundException
    operation DescribeRegistry DescribeRegistryRequest ServerException InvalidParameterException ValidationException
    operation DescribeRepositories DescribeRepositoriesRequest ServerException InvalidParameterException RepositoryNotFoundException
    operation DescribeRepositoryCreationTemplates DescribeRepositoryCreationTemplatesRequest ServerException ValidationException InvalidParameterException
    operation GetAccountSetting GetAccountSettingRequest ServerException ValidationException InvalidParameterException
    operation GetAuthorizationToken GetAuthorizationTokenRequest ServerException InvalidParameterException
    operation GetDownloadUrlForLayer GetDownloadUrlForLayerRequest ServerException InvalidParameterException LayersNotFoundException LayerInaccessibleException RepositoryNotFoundException UnableToGetUpstreamLayerException
    operation GetLifecyclePolicy GetLifecyclePolicyRequest ServerException InvalidParameterException RepositoryNotFoundException LifecyclePolicyNotFoundException ValidationException
    operation GetLifecyclePolicyPreview GetLifecyclePolicyPreviewRequest ServerException InvalidParameterException RepositoryNotFoundException LifecyclePolicyPreviewNotFoundException ValidationException
    operation GetRegistryPolicy GetRegistryPolicyRequest ServerException InvalidParameterException RegistryPolicyNotFoundException ValidationException
    operation GetRegistryScanningConfiguration GetRegistryScanningConfigurationRequest ServerException InvalidParameterException ValidationException
    operation GetRepositoryPolicy GetRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException RepositoryPolicyNotFoundException
    operation GetSigningConfiguration GetSigningConfigurationRequest ServerException InvalidParameterException ValidationException SigningConfigurationNotFoundException
    operation InitiateLayerUpload InitiateLayerUploadRequest ServerException InvalidParameterException RepositoryNotFoundException KmsException
    operation ListImageReferrers ListImageReferrersRequest ServerException InvalidParameterException RepositoryNotFoundException ValidationException UnableToListUpstreamImageReferrersException
    operation ListImages ListImagesRequest ServerException InvalidParameterException RepositoryNotFoundException
    operation ListPullTimeUpdateExclusions ListPullTimeUpdateExclusionsRequest InvalidParameterException ValidationException LimitExceededException ServerException
    operation ListTagsForResource ListTagsForResourceRequest InvalidParameterException RepositoryNotFoundException ServerException
    operation PutAccountSetting PutAccountSettingRequest ServerException ValidationException InvalidParameterException LimitExceededException
    operation PutImage PutImageRequest ServerException InvalidParameterException RepositoryNotFoundException ImageAlreadyExistsException LayersNotFoundException ReferencedImagesNotFoundException LimitExceededException ImageTagAlreadyExistsException ImageDigestDoesNotMatchException KmsException
    operation PutImageScanningConfiguration PutImageScanningConfigurationRequest ServerException InvalidParameterException RepositoryNotFoundException ValidationException
    operation PutImageTagMutability PutImageTagMutabilityRequest ServerException InvalidParameterException RepositoryNotFoundException
    operation PutLifecyclePolicy PutLifecyclePolicyRequest ServerException InvalidParameterException RepositoryNotFoundException ValidationException
    operation PutRegistryPolicy PutRegistryPolicyRequest ServerException InvalidParameterException ValidationException
    operation PutRegistryScanningConfiguration PutRegistryScanningConfigurationRequest ServerException InvalidParameterException ValidationException BlockedByOrganizationPolicyException
    operation PutReplicationConfiguration PutReplicationConfigurationRequest ServerException InvalidParameterException ValidationException
    operation PutSigningConfiguration PutSigningConfigurationRequest ServerException InvalidParameterException ValidationException
    operation RegisterPullTimeUpdateExclusion RegisterPullTimeUpdateExclusionRequest InvalidParameterException ExclusionAlreadyExistsException LimitExceededException ValidationException ServerException
    operation SetRepositoryPolicy SetRepositoryPolicyRequest ServerException InvalidParameterException RepositoryNotFoundException
    operation StartImageScan StartImageScanRequest ServerException InvalidParameterException UnsupportedImageTypeException LimitExceededException RepositoryNotFoundException ImageNotFoundException ValidationException ImageArchivedException
    operation StartLifecyclePolicyPreview StartLifecyclePolicyPreviewRequest ServerException InvalidParameterException RepositoryNotFoundException LifecyclePolicyNotFoundException LifecyclePolicyPreviewInProgressException ValidationException
    operation TagResource TagResourceRequest InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryNotFoundException ServerException
    operation UntagResource UntagResourceRequest InvalidParameterException InvalidTagParameterException TooManyTagsException RepositoryNotFoundException ServerException
    operation UpdateImageStorageClass UpdateImageStorageClassRequest InvalidParameterException ImageNotFoundException ImageStorageClassUpdateNotSupportedException RepositoryNotFoundException ServerException ValidationException
    operation UpdatePullThroughCacheRule UpdatePullThroughCacheRuleRequest ServerException InvalidParameterException ValidationException UnableToAccessSecretException PullThroughCacheRuleNotFoundException SecretNotFoundException UnableToDecryptSecretValueException
    operation UpdateRepositoryCreationTemplate UpdateRepositoryCreationTemplateRequest ServerException ValidationException InvalidParameterException TemplateNotFoundException
    operation UploadLayerPart UploadLayerPartRequest ServerException InvalidParameterException InvalidLayerPartException RepositoryNotFoundException UploadNotFoundException LimitExceededException KmsException
    operation ValidatePullThroughCacheRule ValidatePullThroughCacheRuleRequest ServerException InvalidParameterException ValidationException PullThroughCacheRuleNotFoundException
    AccountSettingName string 1..64
    AccountSettingValue string
    Arn string
    ArtifactStatusFilter string ACTIVE|ARCHIVED|ACTIVATING|ANY
    ArtifactType string 1..255
    ArtifactTypeList list 0..5 ArtifactType
    BatchCheckLayerAvailabilityRequest structure registryId:RegistryId repositoryName!:RepositoryName layerDigests!:BatchedOperationLayerDigestList
    BatchDeleteImageRequest structure registryId:RegistryId repositoryName!:RepositoryName imageIds!:ImageIdentifierList
    BatchGetImageRequest structure registryId:RegistryId repositoryName!:RepositoryName imageIds!:ImageIdentifierList acceptedMediaTypes:MediaTypeList
    BatchGetRepositoryScanningConfigurationRequest structure repositoryNames!:ScanningConfigurationRepositoryNameList
    BatchedOperationLayerDigest string 0..1000
    BatchedOperationLayerDigestList list 1..100 BatchedOperationLayerDigest
    CompleteLayerUploadRequest structure registryId:RegistryId repositoryName!:RepositoryName uploadId!:UploadId layerDigests!:LayerDigestList
    CreatePullThroughCacheRuleRequest structure ecrRepositoryPrefix!:PullThroughCacheRuleRepositoryPrefix upstreamRegistryUrl!:Url registryId:RegistryId upstreamRegistry:UpstreamRegistry credentialArn:CredentialArn customRoleArn:CustomRoleArn upstreamRepositoryPrefix:PullThroughCacheRuleRepositoryPrefix
    CreateRepositoryCreationTemplateRequest structure prefix!:Prefix description:RepositoryTemplateDescription encryptionConfiguration:EncryptionConfigurationForRepositoryCreationTemplate resourceTags:TagList imageTagMutability:ImageTagMutability imageTagMutabilityExclusionFilters:ImageTagMutabilityExclusionFilters repositoryPolicy:RepositoryPolicyText lifecyclePolicy:LifecyclePolicyTextForRepositoryCreationTemplate appliedFor!:RCTAppliedForList customRoleArn:CustomRoleArn
    CreateRepositoryRequest structure registryId:RegistryId repositoryName!:RepositoryName tags:TagList imageTagMutability:ImageTagMutability imageTagMutabilityExclusionFilters:ImageTagMutabilityExclusionFilters imageScanningConfiguration:ImageScanningConfiguration encryptionConfiguration:EncryptionConfiguration
    CredentialArn string 50..612 /^arn:aws(-\w+)*:secretsmanager:[a-zA-Z0-9-:]+:secret:ecr\-pullthroughcache\/[a-zA-Z0-9\/_+=.@-]+$/
    CustomRoleArn string ..2048
    DeleteLifecyclePolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    DeletePullThroughCacheRuleRequest structure ecrRepositoryPrefix!:PullThroughCacheRuleRepositoryPrefix registryId:RegistryId
    DeleteRegistryPolicyRequest structure
    DeleteRepositoryCreationTemplateRequest structure prefix!:Prefix
    DeleteRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    DeleteRepositoryRequest structure registryId:RegistryId repositoryName!:RepositoryName force:ForceFlag
    DeleteSigningConfigurationRequest structure
    DeregisterPullTimeUpdateExclusionRequest structure principalArn!:PrincipalArn
    DescribeImageReplicationStatusRequest structure repositoryName!:RepositoryName imageId!:ImageIdentifier registryId:RegistryId
    DescribeImageScanFindingsRequest structure registryId:RegistryId repositoryName!:RepositoryName imageId!:ImageIdentifier nextToken:NextToken maxResults:MaxResults
    DescribeImageSigningStatusRequest structure repositoryName!:RepositoryName imageId!:ImageIdentifier registryId:RegistryId
    DescribeImagesFilter structure tagStatus:TagStatus imageStatus:ImageStatusFilter
    DescribeImagesRequest structure registryId:RegistryId repositoryName!:RepositoryName imageIds:ImageIdentifierList nextToken:NextToken maxResults:MaxResults filter:DescribeImagesFilter
    DescribePullThroughCacheRulesRequest structure registryId:RegistryId ecrRepositoryPrefixes:PullThroughCacheRuleRepositoryPrefixList nextToken:NextToken maxResults:MaxResults
    DescribeRegistryRequest structure
    DescribeRepositoriesRequest structure registryId:RegistryId repositoryNames:RepositoryNameList nextToken:NextToken maxResults:MaxResults
    DescribeRepositoryCreationTemplatesRequest structure prefixes:PrefixList nextToken:NextToken maxResults:MaxResults
    EncryptionConfiguration structure encryptionType!:EncryptionType kmsKey:KmsKey
    EncryptionConfigurationForRepositoryCreationTemplate structure encryptionType!:EncryptionType kmsKey:KmsKeyForRepositoryCreationTemplate
    EncryptionType string AES256|KMS|KMS_DSSE
    FiftyMaxResults integer 1..50
    ForceFlag boolean
    GetAccountSettingRequest structure name!:AccountSettingName
    GetAuthorizationTokenRegistryIdList list 1..10 RegistryId
    GetAuthorizationTokenRequest structure registryIds:GetAuthorizationTokenRegistryIdList
    GetDownloadUrlForLayerRequest structure registryId:RegistryId repositoryName!:RepositoryName layerDigest!:LayerDigest
    GetLifecyclePolicyPreviewRequest structure registryId:RegistryId repositoryName!:RepositoryName imageIds:ImageIdentifierList nextToken:NextToken maxResults:LifecyclePreviewMaxResults filter:LifecyclePolicyPreviewFilter
    GetLifecyclePolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    GetRegistryPolicyRequest structure
    GetRegistryScanningConfigurationRequest structure
    GetRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName
    GetSigningConfigurationRequest structure
    ImageDigest string
    ImageIdentifier structure imageDigest:ImageDigest imageTag:ImageTag
    ImageIdentifierList list 1..100 ImageIdentifier
    ImageManifest string 1..4194304
    ImageScanningConfiguration structure scanOnPush:ScanOnPushFlag
    ImageStatusFilter string ACTIVE|ARCHIVED|ACTIVATING|ANY
    ImageTag string 1..300
    ImageTagMutability string MUTABLE|IMMUTABLE|IMMUTABLE_WITH_EXCLUSION|MUTABLE_WITH_EXCLUSION
    ImageTagMutabilityExclusionFilter structure filterType!:ImageTagMutabilityExclusionFilterType filter!:ImageTagMutabilityExclusionFilterValue
    ImageTagMutabilityExclusionFilterType string WILDCARD
    ImageTagMutabilityExclusionFilterValue string 1..128 /^[0-9a-zA-Z._*-]{1,128}$/
    ImageTagMutabilityExclusionFilters list 1..5 ImageTagMutabilityExclusionFilter
    InitiateLayerUploadRequest structure registryId:RegistryId repositoryName!:RepositoryName
    KmsKey string 1..2048
    KmsKeyForRepositoryCreationTemplate string 0..2048 /^$|arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[a-z0-9-]+/
    LayerDigest string /[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+/
    LayerDigestList list 1..100 LayerDigest
    LayerPartBlob blob 0..20971520
    LifecyclePolicyPreviewFilter structure tagStatus:TagStatus
    LifecyclePolicyText string 100..30720
    LifecyclePolicyTextForRepositoryCreationTemplate string 0..30720
    LifecyclePreviewMaxResults integer 1..100
    ListImageReferrersFilter structure artifactTypes:ArtifactTypeList artifactStatus:ArtifactStatusFilter
    ListImageReferrersRequest structure registryId:RegistryId repositoryName!:RepositoryName subjectId!:SubjectIdentifier filter:ListImageReferrersFilter nextToken:NextToken maxResults:FiftyMaxResults
    ListImagesFilter structure tagStatus:TagStatus imageStatus:ImageStatusFilter
    ListImagesRequest structure registryId:RegistryId repositoryName!:RepositoryName nextToken:NextToken maxResults:MaxResults filter:ListImagesFilter
    ListPullTimeUpdateExclusionsRequest structure maxResults:MaxResults nextToken:NextToken
    ListTagsForResourceRequest structure resourceArn!:Arn
    MaxResults integer 1..1000
    MediaType string
    MediaTypeList list 1..100 MediaType
    NextToken string
    PartSize long 0..
    Prefix string 1..256 /^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\/?|ROOT)$/
    PrefixList list Prefix
    PrincipalArn string ..200 /^arn:aws(-[a-z]+)*:iam::[0-9]{12}:(role|user)/[\w+=,.@-]+(/[\w+=,.@-]+)*$/
    PullThroughCacheRuleRepositoryPrefix string 2..30 /^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\/?|ROOT)$/
    PullThroughCacheRuleRepositoryPrefixList list 1..100 PullThroughCacheRuleRepositoryPrefix
    PutAccountSettingRequest structure name!:AccountSettingName value!:AccountSettingValue
    PutImageRequest structure registryId:RegistryId repositoryName!:RepositoryName imageManifest!:ImageManifest imageManifestMediaType:MediaType imageTag:ImageTag imageDigest:ImageDigest
    PutImageScanningConfigurationRequest structure registryId:RegistryId repositoryName!:RepositoryName imageScanningConfiguration!:ImageScanningConfiguration
    PutImageTagMutabilityRequest structure registryId:RegistryId repositoryName!:RepositoryName imageTagMutability!:ImageTagMutability imageTagMutabilityExclusionFilters:ImageTagMutabilityExclusionFilters
    PutLifecyclePolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName lifecyclePolicyText!:LifecyclePolicyText
    PutRegistryPolicyRequest structure policyText!:RegistryPolicyText
    PutRegistryScanningConfigurationRequest structure scanType:ScanType rules:RegistryScanningRuleList
    PutReplicationConfigurationRequest structure replicationConfiguration!:ReplicationConfiguration
    PutSigningConfigurationRequest structure signingConfiguration!:SigningConfiguration
    RCTAppliedFor string REPLICATION|PULL_THROUGH_CACHE|CREATE_ON_PUSH
    RCTAppliedForList list RCTAppliedFor
    Region string 2..25 /[0-9a-z-]{2,25}/
    RegisterPullTimeUpdateExclusionRequest structure principalArn!:PrincipalArn
    RegistryId string /[0-9]{12}/
    RegistryPolicyText string 0..10240
    RegistryScanningRule structure scanFrequency!:ScanFrequency repositoryFilters!:ScanningRepositoryFilterList
    RegistryScanningRuleList list 0..2 RegistryScanningRule
    ReplicationConfiguration structure rules!:ReplicationRuleList
    ReplicationDestination structure region!:Region registryId!:RegistryId
    ReplicationDestinationList list 0..100 ReplicationDestination
    ReplicationRule structure destinations!:ReplicationDestinationList repositoryFilters:RepositoryFilterList
    ReplicationRuleList list 0..10 ReplicationRule
    RepositoryFilter structure filter!:RepositoryFilterValue filterType!:RepositoryFilterType
    RepositoryFilterList list 1..100 RepositoryFilter
    RepositoryFilterType string PREFIX_MATCH
    RepositoryFilterValue string 2..256 /^(?:[a-z0-9]+(?:[._-][a-z0-9]*)*/)*[a-z0-9]*(?:[._-][a-z0-9]*)*$/
    RepositoryName string 2..256 /[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*/
    RepositoryNameList list 1..100 RepositoryName
    RepositoryPolicyText string 0..10240
    RepositoryTemplateDescription string ..256
    ScanFrequency string SCAN_ON_PUSH|CONTINUOUS_SCAN|MANUAL
    ScanOnPushFlag boolean
    ScanType string BASIC|ENHANCED
    ScanningConfigurationRepositoryNameList list 1..25 RepositoryName
    ScanningRepositoryFilter structure filter!:ScanningRepositoryFilterValue filterType!:ScanningRepositoryFilterType
    ScanningRepositoryFilterList list 0..100 ScanningRepositoryFilter
    ScanningRepositoryFilterType string WILDCARD
    ScanningRepositoryFilterValue string 1..255 /^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$/
    SetRepositoryPolicyRequest structure registryId:RegistryId repositoryName!:RepositoryName policyText!:RepositoryPolicyText force:ForceFlag
    SigningConfiguration structure rules!:SigningRuleList
    SigningProfileArn string ..200 /^arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:\/signing-profiles\/[a-zA-Z0-9_]{2,}$/
    SigningRepositoryFilter structure filter!:SigningRepositoryFilterValue filterType!:SigningRepositoryFilterType
    SigningRepositoryFilterList list 1..100 SigningRepositoryFilter
    SigningRepositoryFilterType string WILDCARD_MATCH
    SigningRepositoryFilterValue string 1..256 /^(?:[a-z0-9*]+(?:[._-][a-z0-9*]+)*/)*[a-z0-9*]+(?:[._-][a-z0-9*]+)*$/
    SigningRule structure signingProfileArn!:SigningProfileArn repositoryFilters:SigningRepositoryFilterList
    SigningRuleList list 0..10 SigningRule
    StartImageScanRequest structure registryId:RegistryId repositoryName!:RepositoryName imageId!:ImageIdentifier
    StartLifecyclePolicyPreviewRequest structure registryId:RegistryId repositoryName!:RepositoryName lifecyclePolicyText:LifecyclePolicyText
    SubjectIdentifier structure imageDigest!:ImageDigest
    Tag structure Key!:TagKey Value!:TagValue
    TagKey string
    TagKeyList list TagKey
    TagList list Tag
    TagResourceRequest structure resourceArn!:Arn tags!:TagList
    TagStatus string TAGGED|UNTAGGED|ANY
    TagValue string
    TargetStorageClass string STANDARD|ARCHIVE
    UntagResourceRequest structure resourceArn!:Arn tagKeys!:TagKeyList
    UpdateImageStorageClassRequest structure registryId:RegistryId repositoryName!:RepositoryName imageId!:ImageIdentifier targetStorageClass!:TargetStorageClass
    UpdatePullThroughCacheRuleRequest structure registryId:RegistryId ecrRepositoryPrefix!:PullThroughCacheRuleRepositoryPrefix credentialArn:CredentialArn customRoleArn:CustomRoleArn
    UpdateRepositoryCreationTemplateRequest structure prefix!:Prefix description:RepositoryTemplateDescription encryptionConfiguration:EncryptionConfigurationForRepositoryCreationTemplate resourceTags:TagList imageTagMutability:ImageTagMutability imageTagMutabilityExclusionFilters:ImageTagMutabilityExclusionFilters repositoryPolicy:RepositoryPolicyText lifecyclePolicy:LifecyclePolicyTextForRepositoryCreationTemplate appliedFor:RCTAppliedForList customRoleArn:CustomRoleArn
    UploadId string /[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}/
    UploadLayerPartRequest structure registryId:RegistryId repositoryName!:RepositoryName uploadId!:UploadId partFirstByte!:PartSize partLastByte!:PartSize layerPartBlob!:LayerPartBlob
    UpstreamRegistry string ecr|ecr-public|quay|k8s|docker-hub|github-container-registry|azure-container-registry|gitlab-container-registry|chainguard
    Url string
    ValidatePullThroughCacheRuleRequest structure ecrRepositoryPrefix!:PullThroughCacheRuleRepositoryPrefix registryId:RegistryId
    """#
}
